// Icons: paths in a square of 24.

export const COPY = "M9 9h11v11H9zM5 15H4V4h11v1";
export const RETRY = "M20 5v5h-5M4 19v-5h5M19 10a7.5 7.5 0 0 0-13-3M5 14a7.5 7.5 0 0 0 13 3";
export const EDIT = "M4 20h4L19 9l-4-4L4 16zM13 7l4 4";
export const SEND = "M12 19V5M5.5 11.5 12 5l6.5 6.5";
export const DOWN = "M12 5v14M5.5 12.5 12 19l6.5-6.5";
export const STOP = "M7 7h10v10H7z";
export const LIST = "M4 6h16M4 12h16M4 18h16";
export const NEW = "M12 5v14M5 12h14";
export const DELETE = "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13";
export const EXPORT = "M12 4v11M7 10.5 12 15.5l5-5M5 20h14";
export const CLOSE = "M6 6l12 12M18 6 6 18";
