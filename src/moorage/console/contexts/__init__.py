"""What templates are given: frozen dataclasses of plain values ready to show."""
