"""How a step is computed: precision, memory layout, micro-batches, recomputing, what is fastest."""
