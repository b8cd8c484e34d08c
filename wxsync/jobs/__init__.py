"""What a message starts: parsing, jobs, their steps, and every text that a member sees."""
