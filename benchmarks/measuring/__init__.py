"""How measurements are made, compared with their floors, kept and shown."""
