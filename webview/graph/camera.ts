/** What part of a plane is seen, and how large. Pure. */

export interface Camera {
  /** Pixels of a unit. */
  readonly scale: number;
  /** Where the plane's origin is seen, in pixels. */
  readonly x: number;
  readonly y: number;
}

export interface Box {
  readonly width: number;
  readonly height: number;
}

const MIN_SCALE = 0.02;
const MAX_SCALE = 2.5;
const MARGIN = 28;

/** All of it, in the middle, and no larger than life. */
export function fitted(content: Box, view: Box): Camera {
  const scale = Math.max(
    MIN_SCALE,
    Math.min(
      1,
      (view.width - 2 * MARGIN) / Math.max(1, content.width),
      (view.height - 2 * MARGIN) / Math.max(1, content.height),
    ),
  );
  return {
    scale,
    x: (view.width - content.width * scale) / 2,
    y: (view.height - content.height * scale) / 2,
  };
}

/** The point of the plane under (x, y) stays there. */
export function zoomed(camera: Camera, factor: number, x: number, y: number): Camera {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, camera.scale * factor));
  const ratio = scale / camera.scale;
  return {scale, x: x - (x - camera.x) * ratio, y: y - (y - camera.y) * ratio};
}

export function moved(camera: Camera, dx: number, dy: number): Camera {
  return {...camera, x: camera.x + dx, y: camera.y + dy};
}

export function toPlane({scale, x, y}: Camera, px: number, py: number): {x: number; y: number} {
  return {x: (px - x) / scale, y: (py - y) / scale};
}

/** The least move that brings a point of the plane well inside the view. */
export function revealing(camera: Camera, point: {x: number; y: number}, view: Box): Camera {
  const scale = Math.max(camera.scale, 0.35);
  const seen = scale === camera.scale ? camera : {scale, x: 0, y: 0};
  const px = point.x * scale + seen.x;
  const py = point.y * scale + seen.y;
  const marginX = Math.min(140, view.width / 3);
  const marginY = Math.min(60, view.height / 3);
  const inside = px > marginX && px < view.width - marginX && py > marginY && py < view.height - marginY;
  if (inside && scale === camera.scale) return camera;
  return {scale, x: view.width / 2 - point.x * scale, y: view.height / 2 - point.y * scale};
}
