"""A file goes to QingStor while it still comes in."""
