"""The check of strangers: what does the model take pictures for that belong to none of its classes?"""
