"""The check of the heatmaps' reliability: do they depend on model, class and photo as they should (BA908)?"""
