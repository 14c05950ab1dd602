"""Is a generator any good, is its mask the image's tumour, has it copied its training images?"""
