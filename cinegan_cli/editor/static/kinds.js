// Kinds of what moves: labels as in the server's kinds, colours as in `cinegan motion --preview`.

export const KIND_NAMES = { 1: 'sky', 2: 'water', 3: 'moving', 4: 'fog', 5: 'lake', 6: 'sea', 7: 'surf', 8: 'river', 9: 'rapids',
  10: 'falls', 11: 'reflection' };
const OF_NAME = { sky: [90, 220, 90], fog: [220, 220, 120], lake: [110, 160, 255], sea: [60, 200, 255], surf: [255, 255, 255],
  river: [255, 90, 190], rapids: [210, 130, 255], falls: [255, 165, 50], reflection: [255, 90, 90] };
export const KIND_COLOURS = Object.fromEntries(Object.entries(KIND_NAMES).map(([label, name]) => [label, OF_NAME[name]]));
export const NEUTRAL = [1, 1, 1];

export function colourOf(name) {
  return `rgb(${(OF_NAME[name] ?? [255, 255, 255]).join(' ')})`;
}
