"""Text to tokens in the build half: trained on the domain, or a teacher's, trimmed to the domain.

Enters: texts, or a teacher's tokenizer.json. Leaves: a ``tokenizers.Tokenizer`` and its description for the package.
Not here: the run half's tokenizer, which is the engine's own. Import from the modules: this one stays light.
"""
