// Whether a fix says where its agent is.
interface Place {
  lat: number;
  lon: number;
  accuracy?: number | undefined;
}

/**
 * Devices that know no position often send 0, 0. A place there with an accuracy is real (a buoy in the Gulf of Guinea).
 * What is not placed is in no list of places: no marker, no fit, no distance.
 */
export function placed({ lat, lon, accuracy }: Place): boolean {
  return lat !== 0 || lon !== 0 || accuracy !== undefined;
}

export const NOWHERE = 'position unknown (0, 0)';
