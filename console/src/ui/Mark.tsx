/** The product's mark: a horn that sounds. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--accent-fill)" />
      <path
        fill="#fff"
        d="M7 14.2v3.600c0 .7.5 1.200 1.200 1.200h2.300l1 4.200c.1.5.6.8 1.100.8h1.500c.7 0 1.200-.7 1-1.300L14.200 19h1.300l6.300 3.400c.8.4 1.700-.1 1.700-1V10.600c0-.9-.9-1.400-1.700-1L15.500 13H8.200c-.7 0-1.200.5-1.200 1.200z"
      />
      <path d="M25.600 12.400a5 5 0 0 1 0 7.200" fill="none" stroke="#fff" strokeWidth="1.800" strokeLinecap="round" />
    </svg>
  );
}
