"""What the user wrote: recipes and targets, their schemas, and errors that point at a line."""
