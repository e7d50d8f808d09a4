"""What each process of the demo does: one file a role, each with a ``run(node)``."""
