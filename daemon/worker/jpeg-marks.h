/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the markers of JPEG that hold metadata begin with. */

#define EXIF_MARK "Exif\0"                       /* and one byte that some leave undefined */
#define XMP_MARK  "http://ns.adobe.com/xap/1.0/" /* with its 0 */
#define IPTC_MARK "Photoshop 3.0"                /* with its 0 */
