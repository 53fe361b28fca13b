"""Who is told how a run goes: TensorBoard, a visdom server, several or nobody."""
