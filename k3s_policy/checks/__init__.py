"""The rules, one module each: the name is the rule's, the docstring its documentation."""
