"""Values and decisions, pure: no clock, disk, network or third-party I/O."""
