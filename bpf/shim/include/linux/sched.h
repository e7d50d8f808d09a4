/* In linux/kconfig.h, as far as it is needed. */
