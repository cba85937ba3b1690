"""What a shop would write by hand, and nothing more: the floor under every measurement, in one project with the app."""
