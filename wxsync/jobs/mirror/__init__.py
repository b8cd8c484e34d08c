"""Mirror images from registry to registry, by this process."""
