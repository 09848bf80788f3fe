"""Makes the JPEGs of this folder: forms that the image crate reads but does not write.

Made with Pillow 12.3.0: python make_images.py
"""

from PIL import Image


def street():
    image = Image.new("RGB", (67, 45))
    image.putdata([(200 - x, 40 + 2 * y, (x * y) % 97) for y in range(45) for x in range(67)])
    return image


exif = Image.Exif()
exif[0x0112] = 6  # turned by a quarter
street().save("progressive.jpg", quality=85, progressive=True)
street().save("turned.jpg", quality=85, exif=exif)
street().convert("L").save("grey.jpg", quality=85)
Image.new("CMYK", (67, 45), (0, 255, 255, 0)).save("cmyk.jpg", quality=95)
