import { useEffect, useState, type ReactNode } from "react";
import { useLocation, useNavigate } from "react-router-dom";

let settled = false;

/**
 * Airflow draws the tab through a lazy component until the first change of the URL after a page load, and directly from then on: React takes that for another
 * component and mounts all anew, so that the place in the graph, the focus and a half-typed search would be lost. A change to the same URL has that happen
 * before there is anything to lose.
 */
export const Settled = ({ children }: { children: ReactNode }) => {
  const navigate = useNavigate();
  const location = useLocation();
  const [ready, setReady] = useState(settled);
  useEffect(() => {
    if (settled) return;
    settled = true;
    void Promise.resolve(navigate(location, { replace: true, state: location.state as unknown })).then(() => {
      setReady(true);
    });
  }, [location, navigate]);
  return ready ? children : null;
};
