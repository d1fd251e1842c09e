"""What each command takes. Only light imports here: every call of the program reads these."""
