"""What a model is made of: parameters, features, endpoints, names; and the object that offers it."""
