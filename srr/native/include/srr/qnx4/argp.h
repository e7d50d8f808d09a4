/* <argp.h> of the system; its structures keep libc's layout, see <sys/types.h>. */
#if defined __GNUC__
#pragma GCC system_header
#endif
#pragma pack(push, 16)
#include_next <argp.h>
#pragma pack(pop)
