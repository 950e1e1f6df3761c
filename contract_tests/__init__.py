"""The contract suite: it judges any implementation of the API by the law alone."""
