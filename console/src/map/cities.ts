// Some large cities, so that a map without tiles is not without names. Name, longitude, latitude, from important on.
import type { FeatureCollection, Point } from 'geojson';

const CITIES = `London -0.13 51.51;Paris 2.35 48.86;New York -74.01 40.71;Tokyo 139.69 35.69;Shanghai 121.47 31.23
Beijing 116.41 39.90;Delhi 77.21 28.61;São Paulo -46.63 -23.55;Mexico City -99.13 19.43;Cairo 31.24 30.04
Los Angeles -118.24 34.05;Moscow 37.62 55.76;Istanbul 28.98 41.01;Lagos 3.38 6.52;Sydney 151.21 -33.87
Johannesburg 28.05 -26.20;Singapore 103.82 1.35;Buenos Aires -58.38 -34.60;Mumbai 72.88 19.08;Berlin 13.40 52.52
Madrid -3.70 40.42;Rome 12.50 41.90;Chicago -87.63 41.88;Toronto -79.38 43.65;Hong Kong 114.17 22.32
Seoul 126.98 37.57;Jakarta 106.85 -6.21;Bangkok 100.50 13.76;Manila 120.98 14.60;Karachi 67.01 24.86
Tehran 51.39 35.69;Baghdad 44.37 33.31;Riyadh 46.68 24.71;Dubai 55.27 25.20;Nairobi 36.82 -1.29
Kinshasa 15.27 -4.44;Cape Town 18.42 -33.92;Lima -77.04 -12.05;Bogotá -74.07 4.71;Santiago -70.67 -33.45
Rio de Janeiro -43.17 -22.91;Vancouver -123.12 49.28;San Francisco -122.42 37.77;Seattle -122.33 47.61;Denver -104.99 39.74
Houston -95.37 29.76;Miami -80.19 25.76;Atlanta -84.39 33.75;Boston -71.06 42.36;Montreal -73.57 45.50
Washington -77.04 38.91;Philadelphia -75.17 39.95;Dallas -96.80 32.78;Phoenix -112.07 33.45;Havana -82.37 23.11
Caracas -66.90 10.48;Quito -78.47 -0.18;La Paz -68.15 -16.50;Montevideo -56.16 -34.90;Brasília -47.88 -15.79
Lisbon -9.14 38.72;Barcelona 2.17 41.39;Dublin -6.26 53.35;Edinburgh -3.19 55.95;Manchester -2.24 53.48
Amsterdam 4.90 52.37;Brussels 4.35 50.85;Hamburg 9.99 53.55;Munich 11.58 48.14;Frankfurt 8.68 50.11
Cologne 6.96 50.94;Zürich 8.54 47.38;Bern 7.45 46.95;Geneva 6.14 46.20;Vienna 16.37 48.21
Prague 14.44 50.08;Warsaw 21.01 52.23;Budapest 19.04 47.50;Bucharest 26.10 44.43;Sofia 23.32 42.70
Athens 23.73 37.98;Belgrade 20.46 44.79;Zagreb 15.98 45.81;Milan 9.19 45.46;Naples 14.27 40.85
Lyon 4.84 45.76;Marseille 5.37 43.30;Copenhagen 12.57 55.68;Oslo 10.75 59.91;Stockholm 18.07 59.33
Helsinki 24.94 60.17;Tallinn 24.75 59.44;Riga 24.11 56.95;Vilnius 25.28 54.69;Minsk 27.57 53.90
Kyiv 30.52 50.45;Saint Petersburg 30.34 59.93;Kazan 49.11 55.80;Novosibirsk 82.92 55.03;Vladivostok 131.89 43.12
Tbilisi 44.83 41.72;Ankara 32.86 39.93;Jerusalem 35.21 31.77;Amman 35.93 31.95;Doha 51.53 25.29
Kabul 69.21 34.56;Tashkent 69.24 41.30;Almaty 76.89 43.24;Lahore 74.36 31.55;Kolkata 88.36 22.57
Chennai 80.27 13.08;Bengaluru 77.59 12.97;Hyderabad 78.49 17.39;Dhaka 90.41 23.81;Colombo 79.86 6.93
Yangon 96.20 16.87;Hanoi 105.83 21.03;Ho Chi Minh City 106.63 10.82;Kuala Lumpur 101.69 3.14;Surabaya 112.75 -7.26
Taipei 121.57 25.03;Osaka 135.50 34.69;Sapporo 141.35 43.06;Busan 129.08 35.18;Pyongyang 125.75 39.04
Guangzhou 113.26 23.13;Shenzhen 114.06 22.54;Chengdu 104.07 30.57;Chongqing 106.55 29.56;Wuhan 114.31 30.59
Xi'an 108.94 34.34;Nanjing 118.80 32.06;Hangzhou 120.16 30.27;Suzhou 120.58 31.30;Wuxi 120.31 31.49
Changzhou 119.97 31.81;Yixing 119.82 31.34;Jiangyin 120.28 31.92;Zhangjiagang 120.55 31.87;Huzhou 120.09 30.89
Nantong 120.89 31.98;Zhenjiang 119.45 32.20;Yangzhou 119.41 32.39;Jiaxing 120.76 30.75;Ningbo 121.55 29.87
Tianjin 117.20 39.08;Shenyang 123.43 41.81;Harbin 126.64 45.80;Qingdao 120.38 36.07;Jinan 117.12 36.65
Urumqi 87.62 43.83;Lhasa 91.14 29.65;Kunming 102.83 24.88;Ulaanbaatar 106.92 47.89;Melbourne 144.96 -37.81
Brisbane 153.03 -27.47;Perth 115.86 -31.95;Adelaide 138.60 -34.93;Auckland 174.76 -36.85;Wellington 174.78 -41.29
Algiers 3.06 36.75;Tunis 10.18 36.81;Casablanca -7.59 33.57;Dakar -17.47 14.72;Accra -0.19 5.60
Abuja 7.40 9.08;Khartoum 32.56 15.50;Addis Ababa 38.74 9.01;Kampala 32.58 0.35;Dar es Salaam 39.28 -6.79
Luanda 13.23 -8.84;Lusaka 28.28 -15.39;Harare 31.05 -17.83;Antananarivo 47.51 -18.88;Reykjavík -21.90 64.15`;

export function cities(): FeatureCollection<Point> {
  return {
    type: 'FeatureCollection',
    features: CITIES.split(/[;\n]/).map((line, rank) => {
      const [, name = '', lon, lat] = line.match(/^(.+) (-?[\d.]+) (-?[\d.]+)$/) ?? [];
      return {
        type: 'Feature',
        properties: { name, rank },
        geometry: { type: 'Point', coordinates: [Number(lon), Number(lat)] },
      };
    }),
  };
}
