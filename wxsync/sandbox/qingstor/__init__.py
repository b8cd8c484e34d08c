"""Stand-in of QingStor: objects in buckets, behind real signatures."""
