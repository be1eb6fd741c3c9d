"""The package: one GGUF file that carries model, tokenizer, task and provenance.

Enters: a model's tensors, a tokenizer, a task. Leaves: the file; or what stands in one.
Not here: running it (run/ and the engine). Import from the modules: this one stays light.
"""
