"""Write the contract; Protoplane serves it."""
