"""What becomes of the data of entities and orchestrations before it is stored: `store`."""
