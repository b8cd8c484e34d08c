"""QingStor's objects and multipart uploads: what to ask, what the answers mean."""
