"""Push: a phone that has not heard of a message two seconds after its commit is told that there is one."""
