"""A measure of tfattr's own for the rooms zoo: chosen on one half of the truth, judged on the other.

    tfattr reproduce rooms --target sum --target energy --out out/study    (or the same runs one by one)
    python benchmarks/own_measure.py out/study

The protocol, written down before any candidate was scored:

* Zoo: the 20 encoders of the rooms (no repeats). Truth: checkpoints/rooms/transfer.csv, 18 targets.
* Choice: probe sets street and still_life, 9 of the 18 targets. Verdict: probe set rooms, the other 9 targets. The
  targets are shuffled within 2D, 3D and the rest (numpy's default_rng(0)), laid end to end, and dealt out in turn.
* Criterion: Spearman correlation of a target's 19 sources with the truth, mean over targets and the two probe sets.
  Candidates within .005 of the best count as equal; the best mean P@5 decides, then the order of the family (simple first).
* Family, in this order; later steps build on the winners of earlier ones, every matrix that is scored counts as tried:
  A   cosines of maps: saliency or grad_input; target sum or energy; grid 64, 32, 16, 8; maps plain, centred, as ranks, or
      without what they have in common (the mean over models of an image's unit maps).
  A2  the winner of A with images weighted: by the norms of the two maps; by the spread of the image's affinities over
      pairs of models; by the inverse of their mean (images on which all models agree say little).
  B   linear predictivity: ridge regression of the target's code on the source's, position by position, from a window of
      1, 3 or 5 positions, or from one position with squares and products; the target's channels at unit variance or as
      they are; positions alike, or weighted by the target's saliency or |grad_input| (energy) there. Share of the target's
      variance predicted in images that the regression did not see (5 blocks of images, each left out in turn).
      Asymmetric, as transfer is; no labels; closed form.
  B2  the same from the target's maps (saliency and |grad_input|, energy, at the code's grid) instead of its code; window
      1, 3, 5.
  B3  the same with whole images as points: kernel ridge regression of the code on the code, linear or Gaussian kernel,
      ridge .1 or 1.
  C   hubs removed: of the winners of A and B, of DDS and of linear CKA the matrix with its columns centred; centred and
      scaled; CSLS (5 neighbours); mutual proximity; symmetric (mean of both directions, of B only).
  D   mean over measures of each target's ranks, or z-scores, of its sources: winner of A, winner of B, and the rival
      that is best on the half of the choice, in pairs and all three; before or after C as is better.
* The rivals are judged by the same code: tfattr.rivals (RSA, SVCCA, linear CKA plain and debiased, DDS, DEPARA) and the
  plain affinities (three methods, two targets, four grids).
* The measure beats the rivals if on the held-out half its mean Spearman is above that of every one of them; the
  interval of the difference to the best one (bootstrap over images, and over images and targets) and a paired test over
  targets (exact sign flips) say how sure that is. One look.
* Known before: the README's table of six plain affinities on all 18 targets, a crude trial that found the energy target
  and coarse grids good, and how the readouts of the truth are built (two 3x3 convolutions). The two halves share sources
  and both directions of some pairs, so they are not independent data sets.
"""
