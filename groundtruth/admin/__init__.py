"""The pages of the ground truth. Importing the package registers them."""
