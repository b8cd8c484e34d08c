"""Where the parts are built and joined."""
