"""GitHub's REST API: contents, dispatches, runs and the reasons of failed jobs."""
