"""What the product does. No HTTP, no vendor's names; each folder is one capability."""
