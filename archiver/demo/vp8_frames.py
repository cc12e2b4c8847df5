"""Six VP8 key frames: somebody fills in a form while an orange block moves to the right.

The standard library has no video encoder, so the frames were encoded once: drawn and saved as lossy
WebP (quality 20) with Pillow. The payload of such a file's ``VP8 `` chunk is one VP8 key frame.
"""

from base64 import b64decode

WIDTH = 320
"""Pixels across in every frame."""

HEIGHT = 180
"""Pixels down in every frame."""

KEY_FRAMES: tuple[bytes, ...] = (
    b64decode(
        """
        UBoAnQEqQAG0AD85msJbLysmpCcROYngJwlpbuFxHgD+OjRrsB7U4Ek8nQa7L685l1h7m5zzLia/QuyPiI2jrmjk
        yi9S5af5szQxEbo3ReoZzGzh3yt5Wz4BDop5s+wVdbGTYOG+l9bCfOaeDFthiTS/OpgLHt5cHhk4BJ9IgqzQpEye
        W8v1tdq0nAMRXIUITS4x7Q166rTojc/hy/hV1sZNg4b6XStnwBZuM9ppg2q8WnzkbJUIVT+jYNiLrEifafMG12uj
        lRtOeokT2TslnpPjRQ6Dar4zRIlAAP17Li4Ep9lRASwd/tv8PqIgC3KV/pFOWrD2yOYII4ioiuLgCSFFZf11ibFS
        auxBiEDdmApxgKcYCnGApqRIB4TibQxCOy3Iq4YS7WT/GO4OVoAAFO0tXW2o17bCs4aMQAGsE7hXs89N9x76RQrb
        H+vgCoRz/8TxdvpoDTjH7qpAFUEECq6QAAA=
        """
    ),
    b64decode(
        """
        UBsAnQEqQAG0AD85mMFZLysnI6oRuYngJwlnbuFwbgD+NejaipJChBn9LvEFL5XCNkfBGyPgjZHwRjIixKyRT1WH
        PHk3BG4MbwqGtSd3y+WZQdCBHBwM/O3axKw42Z8ORP96PBaCP6UEIxIAz87dpyFU0WkFhsDWHZ/CnmyG7gZAsH7k
        cjkccg9b1qd5VxaNshYCxaeHw2dWxsL/yYX5cjkfBjLVstlss/ErQQ+oWgFV/NEA33MlvNYZaLEBC0DcGs0PO8HP
        ZgpnmWgbv5zktc2hDm8gbg5tDihuDm0IbPTmfiAA/V7FQTNouJVcu+X/7b8N0HfSAcUm+f//poos1E9J6x2ClEmm
        ASmRqQiaXlnf8WHkE7tRuIcruLLMwgg5xvy3q2FUiojycP0Zd+uHhliGNeTCzeVnWqBiLqy93lRqR8p+8hlKtvej
        H3ox96MfLOGQGcGKyTlpmrudlPQF+uphhAjZBmP6sMXDj3sk/ZCPkS2nLEf+vvlD2LHP/Urxn7EGgACSkAAZsgAA
        AAA=
        """
    ),
    b64decode(
        """
        cBsAnQEqQAG0AD85lr9XLyumo6zyCZHgJwlnbuFwbgD+NNiD+52BH+f6CBhj/gHvIjyyBADCBQNxATRvNmt95ooP
        pjZH9hz7TAkiOsHNiqM+mo9oP9RFMJRu9AsulwoKCsdL1n7/URTCUbzn2FZ1TtIYqhLXSrLsOfaYF3iXX6BZdLhQ
        UDLTc9UO6DPymBd4lbapVvEDMSDriSLkNIEXHoBZdLg9yDSDZAFfpVrB7zZZKDVQj5WfYyTaPXryDk+0nx4DU44I
        PINhsr/Rs/UtMVghX6lpl91+v1+v1+v1+v1+v17QAP1ewfvoN2elQHc98v/3E/pACZ+FVdf4slD+DIz0SKopmA0J
        12UiFRmG7ZRL5hSrjiy2urUAMRztdq1ejj7qT2m3Bx8r9mwB7TeFHICIdkAIaCfGZjgT+ecR0B2ufquxc/U4zNo6
        JfMKp81s0aSIy5Hi8snK/ZrvJyZDz6ct32m/8rtv+IocKkPDUYu+LX6EBNXoP+eb+zcvprUeiifV4fpHSgJVw163
        //e3n7tz+/zN68u8cUAAAAAAAAAAAAAA
        """
    ),
    b64decode(
        """
        cBwAnQEqQAG0AD85lL5VLyumoy/SKZngJwlnbuFwbgD+Neq6ipKIH+X2ES9CMehrzRUCsh8wxoS2sAXSj4Y3PsP4
        uqdR+RrDHiD+Ztfm1+0ImRwk+w/i6p0tUdfzFVXPWXRwBoLqnUfkawx2TaUOshnNkQ+LOvn2H8XVOo/ISbst2sMe
        pZzRQGguqdR+RrDHZNt58IHXUs6Hb/5lMoAuqdc3e82rRlI2q56y6OANBdU6j8jWGOybb0M4GCT2zoh+kgEYYo3J
        AIwpRXwtHNhIBGfkd6K26K+oWQ6GWZNt0V9TVauQpRZmMpwMDIAA/WesscD9fD2bVYLj/3RD5AJUbouD/8alxacS
        bGGxbPKqrLZ3AN6WTBhC2LRBGRhpUgS3e6GMVE798Yphr9unzYPcWDRhwAAAvAKO5LUanVHHq/Cnpq5C650SUcnz
        lW2SJqCc28TxS6QUHfdwW+EOSkUc94OMUxAobHG25I49MIhcu6GIcTjkQjC9Xe4AAAAAEeu/U0j4esIEGWI/97dv
        dOpr/M3hxs9vd0+PkACEkAAAAAAAAA==
        """
    ),
    b64decode(
        """
        kBwAnQEqQAG0AD85lL5VLyumoy/SKZngJwlnbuFwbgD+Neq6ipKIH+X2ES9CMehrzRUCsh8wxoS2sAXSj4Y3PsP4
        uqdR+RrDHiD+Ztfm1+0ImRwk+w/i6p0tUdfzFVXPWXRwBoLqnUfkawx2TaUOshnNkQ+LOvn2H8XVOo/ISbst2sMe
        pZzRQGguqdR+RrDHZNt58IHXUs6Hb/5lMoAuqdc3e82rRlI2q56y6OANBdU6j8jWGOybb0M4GCT2zoh+kgEYYo3J
        AIwpRX1X1SN/Udfe1IkkAjClFfULIdDLMm26K+pqtXIUoszGU0wAAP1nrLHA/Xw9m1WC4/90Q+QCVG6Lg//GpcWn
        EmxhsWzyqqy2dwDelkwYQti0QRkYaVIEt3uhjFRO/fGKYa/bp82D3Fg0YcAAALwCjuS1Gp1Rx6vwp6auQuudElHJ
        85VtkiagnNvE8UukFB33cFvhDkpFHPeDjFMQKGxxtuSOPTCIXLuhiHE45EIwvV3uAAAAABHrv1NI+HrCAI4sR/72
        7e6dTX+ZvDjZ7e7p4QAEDIAAAAAAAA==
        """
    ),
    b64decode(
        """
        kBwAnQEqQAG0AD85lL5VLyumoy/SKZngJwlnbuFwbgD+Neq6ipKxH+X2ES9CMehrzRUCsh8wxoS2sAXSj4Y3PsP4
        uqdR+RrDHiD+Ztfm1+0ImRwk+w/i6p0tUdfzFVXPWXRwBoLqnUfkawx2TaUOshnNkQ+LOvn2H8XVOo/ISbst2sMe
        pZzRQGguqdR+RrDHZNt58IHXUs6Hb/5lMoAuqdc3e82rRlI2q56y6OANBdU6j8jWGOybb0M4GCT2zoh+kgEYYo3J
        AIwpRX1X1UVxLftglNVq5ClFfU1WrjUBUQpRX1NVq5ClFfU1abzAAP1nrw0x4bCEobei1v90RMQDudmrp/+piezI
        TtXmtSf0qtyThgF9bSEXfEDhU1VBrb4Q7/kLs0nDuKX19dM5d62ftG4S5SAAAS7Wa1tEyLkuS3fsXHjeQuue0nvR
        dC2vrngPDpbX1l9/q2Jr5VIyVigRrQxFXRe2YYEqkaKhDvL9927oYhxXpUPMz0iVgAAAAA+IECBAgQH0gAnAtB/v
        bt7p1Nf5m8ONnt7iAAPaQAAAAAA=
        """
    ),
)
"""The frames in the order of the story. Each stands alone, so any sequence of them plays."""
