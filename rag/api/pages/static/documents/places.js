// Where in a document something stands, in words.

import { t } from "../i18n.js";

const NAMES = ["heading", "page", "slide", "sheet", "cells", "line"];

/** An anchor in words, the coarsest first: "Returns, line 12". */
export const placeWords = (anchor) =>
  NAMES.filter((name) => anchor[name] !== undefined)
    .map((name) => t(`place.${name}`, { [name]: String(anchor[name]) }))
    .join(", ");
