"""What happens to an artifact after its build: is it whole, who signed it, what is in it?"""
