"""Every text that a member sees; the first character tells whether it is final."""
