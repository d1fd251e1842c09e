"""How others speak to the product: parse, call one core function, render."""
