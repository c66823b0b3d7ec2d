"""`tripwarden up`: the embedded engines, every process of the product, and the hand that keeps them alive."""
