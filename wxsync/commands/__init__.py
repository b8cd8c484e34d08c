"""The commands about jobs: through the running daemon, or in their own process when none runs."""
