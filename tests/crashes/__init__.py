"""Real processes killed with SIGKILL in the middle of their work; afterwards resync alone must bring the truth."""
