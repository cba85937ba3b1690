"""Real processes killed with SIGKILL in the middle of their work; afterwards resync alone corrects every payment."""
