"""Train the model while the image is built, from scikit-learn's own digits."""

import joblib
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

digits = load_digits()
train_x, test_x, train_y, test_y = train_test_split(
    digits.data, digits.target, test_size=0.25, random_state=0
)
model = SVC(gamma=0.001).fit(train_x, train_y)
accuracy = float(model.score(test_x, test_y))

joblib.dump(
    {
        "model": model,
        "accuracy": accuracy,
        # What the model never saw, to try it on.
        "samples": test_x,
        "labels": test_y,
        "sklearn": sklearn.__version__,
    },
    "model.joblib",
)
print(f"trained on {len(train_x)} digits; right on {accuracy:.1%} of {len(test_x)} others")
