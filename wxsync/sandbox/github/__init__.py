"""Stand-in of GitHub: one repository, its contents and commits, and simulated workflow runs."""
