"""What outlives the process: SQLite, the day list, the locks."""
