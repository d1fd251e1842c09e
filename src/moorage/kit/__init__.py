"""Small parts without product words: time, identifiers, pages, text. Imports nothing of ours."""
