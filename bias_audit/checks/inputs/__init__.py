"""The check of the model's inputs: do preprocessing and class order agree with training (BA906, BA907)?"""
